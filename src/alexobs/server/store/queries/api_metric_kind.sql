-- What one metric is; no row when there is none of that name.
SELECT any_value(type) AS type, any_value(unit) AS unit FROM point_rows
WHERE metric = $name HAVING count(*) > 0
