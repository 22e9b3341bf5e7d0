"""The JSON API: what the page, the command line and other programs ask the store.

``endpoints`` is the table that everything follows from: routes, checks of parameters, and the
description at ``/api/openapi.json``. ``shapes`` are the forms of answers. Each other module
answers what its name says, from named queries of the store.
"""
