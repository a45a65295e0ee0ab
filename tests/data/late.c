/* Code that a test loads while its task runs. */
__attribute__((visibility("default"))) void test_late_touch(volatile char *memory, long pages,
                                                            long page_bytes);

void test_late_touch(volatile char *memory, long pages, long page_bytes)
{
    for (long i = 0; i < pages; i++)
        memory[i * page_bytes]++;
}
