"""``buckets``: the units of a hot product are spread over several counters, so fewer buyers wait for one row.

The call is that of ``function``: it reads from the product how its units are counted, so a product is
switched online, by ``set_stock_mode`` (sql/functions), and ``function`` and ``batched`` still sell it.
"""

from service.stock.strategies.function import reserve

__all__ = ["reserve"]
