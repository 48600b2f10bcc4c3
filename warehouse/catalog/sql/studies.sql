-- A view for each study: its latest values, and on which side of the null they are.
create or replace view lake.studied as
select *, case when value > null_high then 'above' when value < null_low then 'below' else 'inside' end as beside_null
from study_values
where latest;

create or replace view study_lexicon as
select card, model, unit, metric, variant, layer, value, low, high, null_low, null_high, beside_null, n, seed, key
from lake.studied
where study = 'lexicon'
order by card, model, unit, metric, variant, layer;
comment on view study_lexicon is 'Agreement of word vectors with similarity judgments, analogies and ratings by people; the null permutes the words.';

create or replace view study_commitment as
select card, model, unit, metric, variant, layer, value, low, high, null_low, null_high, beside_null, n, seed, key
from lake.studied
where study = 'commitment'
order by card, model, unit, metric, variant, layer;
comment on view study_commitment is 'When texts of a data set commit to the anchor of a label; the null has random vectors in the anchors'' place.';

create or replace view study_rate_distortion as
select card, model, unit, metric, variant, layer, value, low, high, null_low, null_high, beside_null, n, seed, key
from lake.studied
where study = 'rate_distortion'
order by card, model, unit, metric, variant, layer;
comment on view study_rate_distortion is 'Rate and distortion of labels in states of texts, and of categories of nouns; the null permutes the labels.';

create or replace view study_order as
select card, model, unit, metric, variant, layer, value, low, high, null_low, null_high, beside_null, n, seed, key
from lake.studied
where study = 'order'
order by card, model, unit, metric, variant, layer;
comment on view study_order is 'Order of words that have one, in vectors and attention heads; the null shuffles the order, or has random heads.';

create or replace view study_grid as
select card, model, unit, metric, variant, layer, value, low, high, null_low, null_high, beside_null, n, seed, key
from lake.studied
where study = 'grid'
order by card, model, unit, metric, variant, layer;
comment on view study_grid is 'F1 of a classifier by layer and first k axes of the states, and the cheapest cell; the null permutes training labels.';

create or replace view study_heads as
select card, model, unit, metric, variant, layer, value, low, high, null_low, null_high, beside_null, n, seed, key
from lake.studied
where study = 'heads'
order by card, model, unit, metric, variant, layer;
comment on view study_heads is 'F1 of a classifier of what attention heads give at the last token; the null permutes training labels and chooses again.';

create or replace view study_embed as
select card, model, unit, metric, variant, layer, value, low, high, null_low, null_high, beside_null, n, seed, key
from lake.studied
where study = 'embed'
order by card, model, unit, metric, variant, layer;
comment on view study_embed is 'Agreement of cosines of documents with people, clean and with errors; the null permutes the documents.';

create or replace view study_dictionary as
select card, model, unit, metric, variant, layer, value, low, high, null_low, null_high, beside_null, n, seed, key
from lake.studied
where study = 'dictionary'
order by card, model, unit, metric, variant, layer;
comment on view study_dictionary is 'Sparse dictionaries of states of tokens; the null is trained on Gaussian states, or permutes features or labels.';

create or replace view study_syntax as
select card, model, unit, metric, variant, layer, value, low, high, null_low, null_high, beside_null, n, seed, key
from lake.studied
where study = 'syntax'
order by card, model, unit, metric, variant, layer;
comment on view study_syntax is 'Syntax trees read from the states of tokens; the null is the architecture with random weights.';

create or replace view study_meaning_of_programs as
select card, model, unit, metric, variant, layer, value, low, high, null_low, null_high, beside_null, n, seed, key
from lake.studied
where study = 'meaning_of_programs'
order by card, model, unit, metric, variant, layer;
comment on view study_meaning_of_programs is 'Probes of a variable''s value and of that under a swapped meaning; the null permutes values.';
