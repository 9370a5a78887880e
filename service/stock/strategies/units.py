"""``units``: each free unit of a hot product is a row, taken with SKIP LOCKED, so nobody waits for anybody.

The call is that of ``function``, as for ``buckets``; ``set_stock_mode`` switches a product.
"""

from service.stock.strategies.function import reserve

__all__ = ["reserve"]
