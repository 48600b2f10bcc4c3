-- No other file than the allowed ones, for good.
set enable_external_access = false;
set lock_configuration = true;
