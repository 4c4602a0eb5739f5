/* csv_columns.h - the columns that follow are those of a file (csv.h), members
 * of CSV_OF. */
#undef NUMBER
#undef TEXT
#undef WORD
#define NUMBER(type, name) CSV_COLUMN(CSV_OF, name, NULL),
#define TEXT(name, bytes)  CSV_COLUMN(CSV_OF, name, NULL),
#define WORD(type, name)   CSV_COLUMN(CSV_OF, name, type##_words),
