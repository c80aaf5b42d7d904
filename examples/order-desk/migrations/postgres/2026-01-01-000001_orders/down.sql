DROP TABLE orders;
DROP FUNCTION orders_refuse_active_delete();
