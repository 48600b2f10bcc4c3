-- All that was written, from the log into the file.
checkpoint;
