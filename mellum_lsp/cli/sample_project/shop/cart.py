"""A cart: what somebody is about to buy."""

from shop.catalog import Catalog


class Cart:
    """Counts of products by their stock-keeping unit."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._counts: dict[str, int] = {}

    def add(self, sku: str, count: int = 1) -> None:
        product = self._catalog.find(sku)
        if product.in_stock < count:
            raise ValueError(f"only {product.in_stock} of {product.name} in stock")
        self._counts[sku] = self._counts.get(sku, 0) + count

    def remove(self, sku: str) -> None:
        del self._counts[sku]

    def total_in_cents(self) -> int:
        total = 0
        for sku, count in self._counts.items():
            product = self._catalog.find(sku)
            total += product.price_in_cents * count
        return total
