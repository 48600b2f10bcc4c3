-- A reader's connection to the catalog.
attach {catalog} as warehouse (read_only);
use warehouse;
set timezone = 'UTC';
set enable_progress_bar = false;  -- it would be printed among the rows
