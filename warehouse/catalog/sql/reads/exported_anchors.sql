-- The newest anchors of a model with the rows of its head, one token a row.
-- $model: the card
select a.model, a.token_id, a.token, a.leverage, a.anchor, a.head, a.bias
from anchors a join models m on m.model = a.model and m.key = a.key
where a.model = $model
order by a.token_id;
