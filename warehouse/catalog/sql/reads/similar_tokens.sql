-- The tokens of a model that differ from a text in case and surrounding spaces only.
-- $model: the card
-- $text: the text
select distinct token
from anchors
where model = $model and lower(trim(token)) = lower(trim($text))
order by token;
