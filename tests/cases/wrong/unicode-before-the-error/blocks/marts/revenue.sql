select 'Zürich – 東京 🙂' as city, idd from staging.orders
