-- The sample shop. Money is integer cents (EUR), dates are ISO 8601 text, identifiers are text.

CREATE TABLE customers (
    customer_id INTEGER PRIMARY KEY,
    name        TEXT NOT NULL,
    email       TEXT NOT NULL,
    street      TEXT NOT NULL,
    postcode    TEXT NOT NULL,
    city        TEXT NOT NULL,
    country     TEXT NOT NULL,
    language    TEXT NOT NULL CHECK (language IN ('en', 'de'))
);
-- Addresses are compared without case, as every statement of tools/shop.toml does.
CREATE UNIQUE INDEX customers_email ON customers (lower(email));

CREATE TABLE products (
    sku   TEXT PRIMARY KEY,
    name  TEXT NOT NULL,
    price INTEGER NOT NULL CHECK (price > 0),
    stock INTEGER NOT NULL CHECK (stock >= 0)
);

CREATE TABLE orders (
    order_id      TEXT PRIMARY KEY,
    customer_id   INTEGER NOT NULL REFERENCES customers,
    status        TEXT NOT NULL CHECK (status IN ('processing', 'shipped', 'delivered', 'cancelled')),
    placed_on     TEXT NOT NULL,
    expected_on   TEXT,
    delivered_on  TEXT,
    returns_until TEXT,
    cancelled_on  TEXT,
    total         INTEGER NOT NULL CHECK (total > 0)
);
CREATE INDEX orders_customer ON orders (customer_id, placed_on);

CREATE TABLE order_items (
    order_id TEXT NOT NULL REFERENCES orders,
    sku      TEXT NOT NULL REFERENCES products,
    quantity INTEGER NOT NULL CHECK (quantity > 0),
    price    INTEGER NOT NULL CHECK (price > 0),
    PRIMARY KEY (order_id, sku)
);

CREATE TABLE parcels (
    tracking   TEXT PRIMARY KEY,
    order_id   TEXT NOT NULL UNIQUE REFERENCES orders,
    carrier    TEXT NOT NULL,
    shipped_on TEXT NOT NULL
);

CREATE TABLE returns (
    return_id   INTEGER PRIMARY KEY,
    order_id    TEXT NOT NULL UNIQUE REFERENCES orders,
    reason      TEXT NOT NULL,
    status      TEXT NOT NULL CHECK (status IN ('open', 'received')),
    opened_on   TEXT NOT NULL,
    received_on TEXT
);

CREATE TABLE refunds (
    refund_id    INTEGER PRIMARY KEY,
    order_id     TEXT NOT NULL UNIQUE REFERENCES orders,
    amount       INTEGER NOT NULL CHECK (amount > 0),
    status       TEXT NOT NULL CHECK (status IN ('requested', 'paid')),
    requested_on TEXT NOT NULL
);

CREATE TABLE invoices (
    number    TEXT PRIMARY KEY,
    order_id  TEXT NOT NULL UNIQUE REFERENCES orders,
    issued_on TEXT NOT NULL,
    total     INTEGER NOT NULL
);
