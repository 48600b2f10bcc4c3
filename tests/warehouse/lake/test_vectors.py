import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from warehouse.lake.vectors import ROW_GROUP, is_vector, matrix, vectors, writer_options

MATRICES = arrays.arrays(
    np.float32,
    st.tuples(st.integers(0, 20), st.integers(1, 9)),
    elements=st.floats(width=32, allow_nan=True, allow_infinity=True),
)


def through_parquet(table, **options):
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, **writer_options(table.schema), **options)
    return sink.getvalue()


@given(MATRICES)
def test_every_bit_survives_arrow_and_parquet(array):
    column = vectors(array)
    assert column.type == pa.list_(pa.float32(), array.shape[1])
    assert matrix(column).tobytes() == array.tobytes()
    back = pq.read_table(pa.BufferReader(through_parquet(pa.table({"v": column}))))
    assert matrix(back["v"]).shape == array.shape
    assert matrix(back["v"]).tobytes() == array.tobytes()


@given(MATRICES, st.integers(0, 20))
def test_chunks_and_slices_read_as_one_matrix(array, cut):
    cut = min(cut, len(array))
    chunked = pa.chunked_array([vectors(array[:cut]), vectors(array[cut:])])
    assert matrix(chunked).tobytes() == array.tobytes()
    assert matrix(vectors(array)[cut:]).tobytes() == array[cut:].tobytes()


def test_neither_way_copies_a_contiguous_matrix():
    array = np.arange(12, dtype=np.float32).reshape(4, 3)
    back = matrix(pa.chunked_array([vectors(array)]))
    assert np.shares_memory(back, array)
    assert not back.flags.writeable


def test_strided_input_is_read_row_by_row():
    array = np.arange(12, dtype=np.float32).reshape(3, 4).T
    assert (matrix(vectors(array)) == array).all()
    assert (matrix(vectors(array[::-1])) == array[::-1]).all()


@pytest.mark.parametrize(
    "array",
    [np.zeros((2, 2)), np.zeros(3, np.float32), np.zeros((2, 0), np.float32), np.zeros((1, 2, 3), np.float32)],
)
def test_other_shapes_and_dtypes_are_refused(array):
    with pytest.raises(ValueError, match=r"\(N, d\) float32"):
        vectors(array)


def test_other_columns_are_refused():
    with pytest.raises(ValueError, match="fixed-size lists"):
        matrix(pa.array([[1.0, 2.0]]))
    with pytest.raises(ValueError, match="1 of 2 vectors are missing"):
        matrix(pa.array([[1.0], None], pa.list_(pa.float32(), 1)))


def test_a_column_without_chunks_is_an_empty_matrix():
    empty = pa.chunked_array([], pa.list_(pa.float32(), 5))
    assert matrix(empty).shape == (0, 5)


def test_vectors_are_split_into_byte_streams_and_other_columns_keep_their_statistics():
    table = pa.table({"id": ["a", "b"], "layer_3": vectors(np.ones((2, 4), np.float32)), "n": [1, 2]})
    group = pq.read_metadata(pa.BufferReader(through_parquet(table))).row_group(0)
    columns = {group.column(i).path_in_schema: group.column(i) for i in range(3)}
    vector = columns["layer_3.list.element"]
    assert "BYTE_STREAM_SPLIT" in vector.encodings
    assert not any("DICTIONARY" in encoding for encoding in vector.encodings)
    assert not vector.is_stats_set
    assert columns["id"].is_stats_set
    assert columns["n"].is_stats_set
    assert {column.compression for column in columns.values()} == {"ZSTD"}


def test_bfloat16_values_shrink_to_less_than_half():
    exact = np.random.default_rng(0).standard_normal((2000, 64)).astype(np.float32)
    rounded = (exact.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)  # (N, d), mantissas of 7 bits
    sizes = [through_parquet(pa.table({"v": vectors(array)})).size for array in (rounded, exact)]
    assert sizes[0] < 0.45 * exact.nbytes  # two of four bytes are zero, and exponents repeat
    assert sizes[1] < 0.95 * exact.nbytes


def test_row_groups_are_small_enough_to_look_one_row_up():
    table = pa.table({"v": vectors(np.zeros((ROW_GROUP + 1, 1), np.float32))})
    metadata = pq.read_metadata(pa.BufferReader(through_parquet(table)))
    assert [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)] == [ROW_GROUP, 1]


def test_is_vector_knows_only_fixed_lists_of_float32():
    assert is_vector(pa.list_(pa.float32(), 3))
    for other in (pa.list_(pa.float32()), pa.list_(pa.float64(), 3), pa.float32(), pa.string()):
        assert not is_vector(other)
