/* csv as spreadsheets and published traces write it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "reading.h"

static void a_delimiter_within_quotes_does_not_end_a_field(void **state)
{
    (void)state;
    reading_expect(reading_of_text("1,\"a,b\"\n2,\"a,c\"\n3,\"a,b\"\n", "csv:obj-id-col=2"), 3, 2);
    reading_expect(reading_of_text("1,\"a,b\" , 7\r\n2, \"c\",7\r\n", "csv:obj-id-col=3"), 2, 1);
}

static void two_quotes_within_quotes_are_one(void **state)
{
    const struct reading *r =
        reading_of_text("\"a\"\"b\"\n\"a\"\n\"a\"\"b\"\nab\n", "csv:obj-id-col=1");

    (void)state;
    reading_expect(r, 4, 3);
    assert_true(r->references[0].id == r->references[2].id);
    reading_expect(reading_of_text("a\"b,1\n\"a\"\"b\",1\n", "csv:obj-id-col=1"), 2, 1);
}

static void a_record_goes_on_in_the_next_line_within_quotes(void **state)
{
    const struct reading *r = reading_of_text("1,\"two\nlines\",5\n2,\"x\n\n\ny\",6\n3,z,q\n",
                                              "csv:obj-id-col=3,obj-id-is-num=1");

    (void)state;
    reading_expect_error(r, "line 7: the id 'q' is not a number");
    assert_int_equal(r->count, 0);
    reading_expect(reading_of_text("1,\"two\nlines\",5\n2,a,6\n", "csv:obj-id-col=3"), 2, 2);
    reading_expect_error(reading_of_text("1,\"two\nlines\n", "csv:obj-id-col=1"),
                         "quotes of a field are not closed");
    reading_expect_error(reading_of_text("1,\"two\"lines\n", "csv:obj-id-col=1"),
                         "line 1: text stands behind the quotes");
}

static void a_quoted_number_is_that_number(void **state)
{
    (void)state;
    reading_expect(reading_of_text("5\n\"5\"\n 5 \n0x5\n", "csv:obj-id-col=1"), 4, 1);
}

static void a_size_may_have_a_fraction_of_zeros(void **state)
{
    const struct reading *r =
        reading_of_text("5,4096.0\n6,10.\n7,0.00\n8,100\n", "csv:obj-id-col=1,obj-size-col=2");

    (void)state;
    reading_expect(r, 4, 4);
    assert_int_equal(r->references[0].size, 4096);
    assert_int_equal(r->references[1].size, 10);
    assert_int_equal(r->references[2].size, 0);
    assert_int_equal(r->references[3].size, 100);
    reading_expect_error(reading_of_text("5,4096.5\n", "csv:obj-id-col=1,obj-size-col=2"),
                         "no size in bytes");
    reading_expect_error(reading_of_text("5,.0\n", "csv:obj-id-col=1,obj-size-col=2"),
                         "no size in bytes");
    reading_expect_error(reading_of_text("5,1.0.0\n", "csv:obj-id-col=1,obj-size-col=2"),
                         "no size in bytes");
}

static void comments_and_empty_lines_are_no_references(void **state)
{
    (void)state;
    reading_expect(reading_of_text("# a comment\n5,1\n\n  # another\n6,1\n", "csv:obj-id-col=1"), 2,
                   2);
    reading_expect(reading_of_text("# a comment\n5\n\n#\n6\n", NULL), 2, 2);
}

static void a_count_makes_as_many_references(void **state)
{
    (void)state;
    reading_expect(
        reading_of_text("5,GET,10,3\n6,GET,10,1\n5,GET,10,1\n", "csv:obj-id-col=1,cnt-col=4"), 5,
        2);
    reading_expect(reading_of_text("5,0\n6,2000\n", "csv:obj-id-col=1,cnt-col=2"), 2000, 1);
    reading_expect_error(reading_of_text("5,x\n", "csv:obj-id-col=1,cnt-col=2"),
                         "no count of operations");
}

static void a_header_is_recognised_and_names_the_columns(void **state)
{
    const struct reading *r;

    (void)state;
    r = reading_of_text("time,obj_id,Size,op\n1,5,100,read\n2,6,200,SET\n", NULL);
    reading_expect(r, 2, 2);
    assert_int_equal(r->references[1].size, 200);
    assert_true(r->references[1].write && !r->references[0].write);
    /* The same, said. */
    reading_expect(reading_of_text("time,obj_id\n1,5\n", "csv:obj-id-col=2"), 1, 1);
    /* Published: Meta's key-value cache, and Alibaba's block storage. */
    reading_expect(
        reading_of_text("key,op,size,op_count,key_size\n7,GET,9,2,3\n8,SET,9,1,3\n", NULL), 3, 2);
    reading_expect(reading_of_text("device_id,opcode,offset,length,timestamp\n"
                                   "1,R,4096,512,1\n2,W,4096,512,2\n1,R,4096,512,3\n",
                                   NULL),
                   3, 2);
    /* Values are no header. */
    reading_expect(reading_of_text("key1,x\nkey2,x\n", "csv:obj-id-col=1"), 2, 2);
    reading_expect(reading_of_text("id\n5\n6\n", NULL), 2, 2);
    reading_expect_error(reading_of_text("5,6\n7,8\n", NULL), "which column");
}

static void the_first_line_says_what_the_delimiter_is(void **state)
{
    (void)state;
    reading_expect(reading_of_text("time;id;size\n1,5;7;4\n2,5;7;4\n", NULL), 2, 1);
    reading_expect(reading_of_text("1\t7\n2\t8\n", "csv:obj-id-col=2"), 2, 2);
    reading_expect(reading_of_text("1|7\n2|7\n", "csv:obj-id-col=2"), 2, 1);
}

static void several_columns_make_up_one_id(void **state)
{
    static const char disks[] = "0,4096\n1,4096\n0,4096\n1,8192\n";
    static const char volumes[] = "hm,0,4096,512\nhm,1,4096,512\nhm,0,4096,8192\nweb,0,4096,512\n";
    const struct reading *r;

    (void)state;
    reading_expect(reading_of_text(disks, "csv:obj-id-col=2"), 4, 2);
    reading_expect(reading_of_text(disks, "csv:obj-id-col=1+2"), 4, 3);
    /* As addresses: 512 bytes from 4096 on are in one page of a disk, and 8192 bytes in two. */
    r = reading_of(volumes, strlen(volumes), "csv:obj-id-col=1+2+3,obj-size-col=4", 4096, 1);
    reading_expect(r, 5, 4);
    assert_true(r->references[0].id == r->references[2].id);
    reading_expect_error(reading_of_text("0,\n", "csv:obj-id-col=1+2"), "no id in column 2");
    reading_expect_error(reading_of_text("0,1\n", "csv:obj-id-col=1+2+1+2+1"), "does not take");
}

static void an_address_beyond_64_bits_is_refused_where_it_stands(void **state)
{
    static const char text[] = "1\n36028797018963967\n36028797018963968\n";

    (void)state;
    reading_expect(reading_of(text, 20, "text", 4096, 512), 2, 2);
    reading_expect_error(reading_of(text, strlen(text), "text", 4096, 512),
                         "line 3: the address 36028797018963968 * 512 (--id-unit) does not fit");
    reading_expect_error(reading_of(text, strlen(text), "csv:obj-id-col=1", 4096, 512), "line 3:");
}

static void what_a_spreadsheet_rounded_is_refused(void **state)
{
    (void)state;
    reading_expect_error(reading_of_text("1.23457E+15,1\n", "csv:obj-id-col=1"),
                         "line 1: the id 1.23457E+15 was rounded");
    reading_expect(reading_of_text("12e4,1\nE+15,1\n1.5,1\n", "csv:obj-id-col=1"), 3, 3);
}

static void a_byte_order_mark_is_no_id(void **state)
{
    (void)state;
    reading_expect(reading_of_text("\xef\xbb\xbf"
                                   "5\n5\n",
                                   NULL),
                   2, 1);
    reading_expect(reading_of_text("\xef\xbb\xbf"
                                   "id,size\n5,1\n5,2\n",
                                   NULL),
                   2, 1);
}

static void lines_of_several_words_are_no_ids_unless_said(void **state)
{
    (void)state;
    reading_expect_error(reading_of_text("1 2 3\n", NULL), "more than one word");
    reading_expect(reading_of_text("a b\na c\n", "text"), 2, 2);
}

/* The i-th line of a published trace, as its description has it, in pages of 4096 bytes. */
static void expect_layout(const char *format, const char *line, uint64_t page, size_t pages,
                          bool write)
{
    const struct reading *r = reading_of(line, strlen(line), format, 4096, 0);

    if (r->result != 0)
        fail_msg("%s: %s", format, r->error.text);
    assert_int_equal(r->count, pages);
    for (size_t i = 0; i < pages && page != 0; i++)
        assert_true(r->references[i].id == page + i);
    assert_int_equal(r->references[0].write, write);
}

static void published_layouts_have_names(void **state)
{
    const struct reading *r;

    (void)state;
    expect_layout("csv:layout=msr", "128166372003061629,hm,0,Read,383496192,8192,413\n", 0, 2,
                  false);
    expect_layout("csv:layout=msr", "128166372016382155,hm,1,Write,2822144,4097,1\n", 0, 2, true);
    expect_layout("csv:layout=alibaba", "419,W,8792731648,16384,1577808144360767\n", 0, 4, true);
    expect_layout("csv:layout=alibaba",
                  "device_id,opcode,offset,length,timestamp\n419,R,8191,2,1\n", 0, 2, false);
    expect_layout("csv:layout=tencent", "1538323200,12910952,128,0,1063\n", 0, 16, false);
    expect_layout("csv:layout=tencent", "1538323200,8,9,1,1063\n", 0, 2, true);
    expect_layout("csv:layout=systor",
                  "Timestamp,Response,IOType,LUN,Offset,Size\n1455589800.1,0.1,W,0,8192,4096\n", 0,
                  1, true);
    expect_layout("csv:layout=cloudphysics", "version,time,op,size,lbn\n1,5633898,2a,4096,16\n", 2,
                  1, true);
    expect_layout("csv:layout=cloudphysics", "1,5633898,28,512,15\n", 1, 1, false);
    r = reading_of_text("0,yDqF3f,6,157,1,get,0\n0,yDqF3f,6,157,1,set,0\n1,zz,6,0,2,gets,0\n",
                        "csv:layout=twitter");
    reading_expect(r, 3, 2);
    assert_true(r->references[0].size == 157 && !r->references[0].write && r->references[1].write);
}

static void a_layout_can_be_changed_and_must_be_known(void **state)
{
    const struct reading *r;

    (void)state;
    r = reading_of_text("1,7,1,0,5\n", "csv:layout=tencent,size-unit=1000");
    assert_int_equal(r->references[0].size, 1000);
    reading_expect_error(reading_of_text("1,7,4294968,0,5\n", "csv:layout=tencent,size-unit=1000"),
                         "below 2^32");
    reading_expect_error(reading_of_text("1\n", "csv:layout=unknown"),
                         "there are msr, alibaba, tencent, systor, twitter, cloudphysics");
    reading_expect_error(reading_of_text("1\n", "csv:layout=msr,size-unit=0"), "does not take '0'");
    reading_expect_error(reading_of_text("1\n", "csv:obj-id-col=1,layout=msr"),
                         "no option 'layout'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_delimiter_within_quotes_does_not_end_a_field),
        cmocka_unit_test(two_quotes_within_quotes_are_one),
        cmocka_unit_test(a_record_goes_on_in_the_next_line_within_quotes),
        cmocka_unit_test(a_quoted_number_is_that_number),
        cmocka_unit_test(a_size_may_have_a_fraction_of_zeros),
        cmocka_unit_test(comments_and_empty_lines_are_no_references),
        cmocka_unit_test(a_count_makes_as_many_references),
        cmocka_unit_test(a_header_is_recognised_and_names_the_columns),
        cmocka_unit_test(the_first_line_says_what_the_delimiter_is),
        cmocka_unit_test(several_columns_make_up_one_id),
        cmocka_unit_test(an_address_beyond_64_bits_is_refused_where_it_stands),
        cmocka_unit_test(what_a_spreadsheet_rounded_is_refused),
        cmocka_unit_test(a_byte_order_mark_is_no_id),
        cmocka_unit_test(published_layouts_have_names),
        cmocka_unit_test(a_layout_can_be_changed_and_must_be_known),
        cmocka_unit_test(lines_of_several_words_are_no_ids_unless_said),
    };

    return cmocka_run_group_tests_name("trace/csv", tests, NULL, NULL);
}
