"""This module defines the models in pydantic, for FastAPI and BlackSheep, whose documentation recommends it."""

# The type checks may run where its imports are not installed.
# pyright: reportMissingImports=false, reportUntypedFunctionDecorator=false, reportUntypedBaseClass=false

from datetime import datetime
from typing import Annotated, Final, Literal

from pydantic import BaseModel, Field, TypeAdapter

from benchmarks import workloads


class Todo(BaseModel):
    title: str
    priority: int
    done: bool = False


class Address(BaseModel):
    street: str
    town: str
    postcode: Annotated[str, Field(pattern="^[0-9]{5}$")]


class Customer(BaseModel):
    name: Annotated[str, Field(min_length=1, max_length=80)]
    email: Annotated[str, Field(pattern="^[^@ ]+@[^@ ]+$")]
    address: Address


class Line(BaseModel):
    sku: str
    quantity: Annotated[int, Field(ge=1, le=100)]
    price: Annotated[int, Field(ge=0)]


class Order(BaseModel):
    id: Annotated[int, Field(ge=1)]
    reference: Annotated[str, Field(min_length=1, max_length=40)]
    customer: Customer
    lines: Annotated[list[Line], Field(min_length=1)]
    currency: Literal["EUR", "USD"]
    express: bool
    discount: Annotated[float, Field(ge=0, le=1)]
    tags: list[str]
    note: str | None
    placed: datetime


class Receipt(BaseModel):
    id: int
    lines: int
    total: int


class Row(BaseModel):
    id: int
    name: str
    price: float
    tags: list[str]


ROWS: Final[list[Row]] = TypeAdapter(list[Row]).validate_python(workloads.ROWS)


def create_receipt(order: Order) -> Receipt:
    """Create the response to an order."""
    total = sum([line.quantity * line.price for line in order.lines])
    return Receipt(id=order.id, lines=len(order.lines), total=total)
