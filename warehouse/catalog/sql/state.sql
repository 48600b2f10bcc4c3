-- The catalog's build: the version of its statements, and the lake's folder.
select version, root
from state.built;
