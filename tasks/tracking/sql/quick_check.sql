-- The first damage of a SQLite file, or `ok`.
pragma quick_check(1);
