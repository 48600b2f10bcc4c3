-- The published files, the only ones that a reader's connection may open.
set allowed_paths = $paths;
