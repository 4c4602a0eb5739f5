/* csv_members.h - the columns that follow are members of a structure
 * (csv.h). */
#undef NUMBER
#undef TEXT
#undef WORD
#define NUMBER(type, name) type name;
#define TEXT(name, bytes)  char name[bytes];
#define WORD(type, name)   enum type name;
