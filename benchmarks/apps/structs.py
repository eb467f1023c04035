"""This module defines the models in msgspec, for micropie, Litestar and the frameworks without validation."""

from datetime import datetime
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct, convert

from benchmarks import workloads


class Todo(Struct):
    title: str
    priority: int
    done: bool = False


class Person(Struct):
    name: str
    age: int


class Address(Struct):
    street: str
    town: str
    postcode: Annotated[str, Meta(pattern="^[0-9]{5}$")]


class Customer(Struct):
    name: Annotated[str, Meta(min_length=1, max_length=80)]
    email: Annotated[str, Meta(pattern="^[^@ ]+@[^@ ]+$")]
    address: Address


class Line(Struct):
    sku: str
    quantity: Annotated[int, Meta(ge=1, le=100)]
    price: Annotated[int, Meta(ge=0)]


class Order(Struct):
    id: Annotated[int, Meta(ge=1)]
    reference: Annotated[str, Meta(min_length=1, max_length=40)]
    customer: Customer
    lines: Annotated[list[Line], Meta(min_length=1)]
    currency: Literal["EUR", "USD"]
    express: bool
    discount: Annotated[float, Meta(ge=0, le=1)]
    tags: list[str]
    note: str | None
    placed: datetime


class Receipt(Struct):
    id: int
    lines: int
    total: int


class Row(Struct):
    id: int
    name: str
    price: float
    tags: list[str]


ROWS: Final = convert(workloads.ROWS, list[Row])


def create_receipt(order: Order) -> Receipt:
    """Create the response to an order."""
    return Receipt(order.id, len(order.lines), sum([line.quantity * line.price for line in order.lines]))
