"""The console: the pages where data-driven credit can be seen, over the same API as everyone's."""
