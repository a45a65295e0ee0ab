// GoogleTest: a class with the fixture, from which tests are made by TEST_F.
#include <gtest/gtest.h>

#include <selfpage/testing.h>

#include "table.h"

class Paging : public testing::Test
{
  protected:
    struct sp_testing *fixture = nullptr;

    void SetUp() override
    {
        struct sp_error error;

        ASSERT_EQ(sp_testing_start(&fixture, nullptr, &error), 0) << error.text;
    }
    void TearDown() override
    {
        EXPECT_EQ(sp_testing_stop(&fixture, nullptr), 0);
    }
};

TEST_F(Paging, ATableThatDoesNotFitIsPaged)
{
    struct sp_testing_result result;
    struct sp_error error;
    size_t pages = 100;

    ASSERT_EQ(
        sp_testing_run(fixture, "guaranteed=16", nullptr, table_fill, &pages, &result, &error), 0)
        << error.text;
    EXPECT_EQ(result.exit_status, 0) << sp_testing_said(fixture);
    EXPECT_GE(result.stats.swapped_in, pages - 16) << sp_testing_said(fixture);
}

int main(int argc, char **argv)
{
    testing::InitGoogleTest(&argc, argv);
    return RUN_ALL_TESTS();
}
