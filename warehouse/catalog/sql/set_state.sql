-- The same, written.
-- $version, $root: its values
update state.built
set version = $version, root = $root;
