-- The tokens whose anchors are nearest to a token's.
-- $model: the card
-- $token: the token, with its leading space
-- $k: how many
select *
from nearest_tokens($model, $token, $k);
