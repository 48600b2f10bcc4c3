-- Which tokens are most similar to a token: nearest by anchor?
-- $token = " good": a token as the model writes it, mostly with its leading space
-- $model = null: model card; null is the one whose anchors were solved last
-- $k = 10: how many
select token, token_id, cosine, leverage
from nearest_tokens(lake.model_or_newest($model), $token, $k);
