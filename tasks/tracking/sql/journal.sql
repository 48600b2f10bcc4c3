-- A write-ahead log, which a SQLite file keeps from then on: writes take a third of the time.
pragma journal_mode = wal;
