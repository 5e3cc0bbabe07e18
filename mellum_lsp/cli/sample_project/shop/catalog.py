"""Products and where they are found."""

from dataclasses import dataclass


@dataclass
class Product:
    """Something that can be bought; prices are in cents."""

    sku: str
    name: str
    price_in_cents: int
    in_stock: int = 0


class Catalog:
    """All products by their stock-keeping unit."""

    def __init__(self) -> None:
        self._products: dict[str, Product] = {}

    def add(self, product: Product) -> None:
        self._products[product.sku] = product

    def find(self, sku: str) -> Product:
        """The product with this unit; raises KeyError where there is none."""
        return self._products[sku]
