-- The retail domain as tables, the same text for SQLite and PostgreSQL. Money is in cents. What the reference keeps as
-- lists inside an order are rows here: `line`, `entry`, `parcel` and `place` count from 1 in the reference's order.

CREATE TABLE users (
    user_id TEXT PRIMARY KEY,
    email TEXT NOT NULL,
    first_name TEXT NOT NULL,
    last_name TEXT NOT NULL,
    address1 TEXT NOT NULL,
    address2 TEXT NOT NULL,
    city TEXT NOT NULL,
    state TEXT NOT NULL,
    country TEXT NOT NULL,
    zip TEXT NOT NULL
);
CREATE UNIQUE INDEX users_email ON users (lower(email));

CREATE TABLE payment_methods (
    payment_method_id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users,
    source TEXT NOT NULL CHECK (source IN ('credit_card', 'gift_card', 'paypal')),
    brand TEXT,
    last_four TEXT,
    balance INTEGER CHECK (balance >= 0),
    CHECK ((source = 'gift_card') = (balance IS NOT NULL))
);
CREATE INDEX payment_methods_user ON payment_methods (user_id);

CREATE TABLE products (
    product_id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
);

CREATE TABLE variants (
    item_id TEXT PRIMARY KEY,
    product_id TEXT NOT NULL REFERENCES products,
    options TEXT NOT NULL,
    available BOOLEAN NOT NULL,
    price INTEGER NOT NULL CHECK (price >= 0)
);
CREATE INDEX variants_product ON variants (product_id);

CREATE TABLE orders (
    order_id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users,
    status TEXT NOT NULL CHECK (status IN (
        'pending', 'pending (item modified)', 'processed', 'delivered', 'cancelled', 'exchange requested', 'return requested'
    )),
    address1 TEXT NOT NULL,
    address2 TEXT NOT NULL,
    city TEXT NOT NULL,
    state TEXT NOT NULL,
    country TEXT NOT NULL,
    zip TEXT NOT NULL,
    cancel_reason TEXT,
    exchange_payment_method_id TEXT REFERENCES payment_methods,
    exchange_price_difference INTEGER,
    return_payment_method_id TEXT REFERENCES payment_methods
);
CREATE INDEX orders_user ON orders (user_id);

CREATE TABLE order_items (
    order_id TEXT NOT NULL REFERENCES orders,
    line INTEGER NOT NULL,
    item_id TEXT NOT NULL REFERENCES variants,
    price INTEGER NOT NULL CHECK (price >= 0),
    PRIMARY KEY (order_id, line)
);

CREATE TABLE parcel_items (
    order_id TEXT NOT NULL REFERENCES orders,
    parcel INTEGER NOT NULL,
    place INTEGER NOT NULL,
    tracking_id TEXT NOT NULL,
    item_id TEXT NOT NULL REFERENCES variants,
    PRIMARY KEY (order_id, parcel, place)
);

CREATE TABLE payments (
    order_id TEXT NOT NULL REFERENCES orders,
    entry INTEGER NOT NULL,
    transaction_type TEXT NOT NULL CHECK (transaction_type IN ('payment', 'refund')),
    amount INTEGER NOT NULL CHECK (amount >= 0),
    payment_method_id TEXT NOT NULL REFERENCES payment_methods,
    PRIMARY KEY (order_id, entry)
);

CREATE TABLE exchanged_items (
    order_id TEXT NOT NULL REFERENCES orders,
    place INTEGER NOT NULL,
    item_id TEXT NOT NULL REFERENCES variants,
    new_item_id TEXT NOT NULL REFERENCES variants,
    PRIMARY KEY (order_id, place)
);

CREATE TABLE returned_items (
    order_id TEXT NOT NULL REFERENCES orders,
    place INTEGER NOT NULL,
    item_id TEXT NOT NULL REFERENCES variants,
    PRIMARY KEY (order_id, place)
);

-- What an order still holds of each payment method: payments less refunds.
CREATE VIEW paid AS
SELECT order_id, payment_method_id, min(entry) AS entry,
       sum(CASE transaction_type WHEN 'payment' THEN amount ELSE -amount END) AS amount
FROM payments GROUP BY order_id, payment_method_id;

-- How often an item is in an order, and what one of it cost.
CREATE VIEW bought AS
SELECT order_id, item_id, count(*) AS number, min(price) AS price
FROM order_items GROUP BY order_id, item_id;
