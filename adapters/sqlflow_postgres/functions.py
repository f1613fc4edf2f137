"""Which functions of Postgres give the same for the same arguments, always: loading a project asks no server.

The first list holds what `pg_proc` of Postgres 15 marks as immutable in all its forms, without what merely serves
operators, casts and aggregates, and what later versions and the grammar have added. The second holds what it marks as
stable since a setting of the session shapes the result: sqlflow's sessions have the same settings always. The third
looks at the clock, at chance, at the session or at the database; so does every function that begins with `pg_`.
Whatever is in none of the lists, such as a function of the user's own, is not known.
"""

import re
from typing import Literal

_IMMUTABLE = frozenset(
    str.split("""
    abbrev abs acos acosd acosh any_value area array_agg array_append array_cat array_dims array_fill
    array_length array_lower array_ndims array_position array_positions array_prepend array_remove array_replace
    array_to_tsvector array_upper ascii asin asind asinh atan atan2 atan2d atand atanh avg bit bit_and bit_count
    bit_length bit_or bit_xor bool bool_and bool_or box bpchar broadcast cardinality cbrt ceil ceiling center
    char char_length character_length chr circle coalesce corr cos cosd cosh cot cotd count covar_pop covar_samp
    cume_dist date_bin datemultirange daterange decode degrees dense_rank diagonal diameter div encode every exp
    factorial family first_value float4 float8 floor gcd generate_subscripts get_bit get_byte greatest height
    host initcap int2 int4 int4range int8 int8range interval is_normalized isclosed isempty isfinite
    ishorizontal isopen isparallel isperp isvertical json_array_element_text json_array_elements
    json_array_elements_text json_array_length json_each json_each_text json_extract_path json_extract_path_text
    json_object json_object_keys json_strip_nulls json_typeof jsonb_array_element_text jsonb_array_elements
    jsonb_array_elements_text jsonb_array_length jsonb_each jsonb_each_text jsonb_extract_path
    jsonb_extract_path_text jsonb_insert jsonb_object jsonb_object_agg jsonb_object_keys jsonb_path_exists
    jsonb_path_match jsonb_path_query jsonb_path_query_array jsonb_path_query_first jsonb_pretty jsonb_set
    jsonb_set_lax jsonb_strip_nulls jsonb_typeof justify_days justify_hours justify_interval lag last_value lcm
    lead least left line ln log log10 lower lower_inc lower_inf lpad lseg ltrim macaddr macaddr8 make_date
    make_interval make_time make_timestamp max md5 min min_scale mod mode multirange netmask network normalize
    npoints nth_value ntile nullif num_nonnulls num_nulls numeric nummultirange numnode numrange octet_length
    overlay parse_ident path percent_rank percentile_cont percentile_disc pi point polygon position pow power
    quote_ident radians radius range_agg range_intersect_agg range_merge rank regexp_count regexp_instr
    regexp_like regexp_match regexp_matches regexp_replace regexp_split_to_array regexp_split_to_table
    regexp_substr regr_avgx regr_avgy regr_count regr_intercept regr_r2 regr_slope regr_sxx regr_sxy regr_syy
    repeat replace reverse right round row_number rpad rtrim scale set_bit set_byte set_masklen setweight sha224
    sha256 sha384 sha512 sign sin sind sinh slope split_part sqrt starts_with stddev stddev_pop stddev_samp
    string_agg string_to_array string_to_table strip strpos substr substring sum tan tand tanh text to_ascii
    to_hex translate trim_array trim_scale trunc ts_delete ts_filter ts_lexize ts_rank ts_rank_cd tsmultirange
    tsquery_phrase tsrange tstzmultirange tstzrange tsvector_to_array unistr unnest upper upper_inc upper_inf
    var_pop var_samp varbit varchar variance width width_bucket xml_is_well_formed_content
    xml_is_well_formed_document xmlagg xmlcomment xmlconcat xmlelement xmlexists xmlforest xmlparse xmlvalidate
    xpath xpath_exists
    """)
)
_SHAPED_BY_SETTINGS = frozenset(
    str.split("""
    array_to_json array_to_string concat concat_ws convert convert_from convert_to date date_part date_trunc
    extract format generate_series json_agg json_build_array json_build_object json_object_agg
    json_populate_record json_populate_recordset json_to_record json_to_recordset jsonb_agg jsonb_build_array
    jsonb_build_object jsonb_populate_record jsonb_populate_recordset jsonb_to_record jsonb_to_recordset length
    make_timestamptz overlaps quote_literal quote_nullable row_to_json time timestamp timestamptz timetz
    timezone to_char to_date to_json to_jsonb to_number to_timestamp
    """)
)
_VOLATILE = frozenset(
    str.split("""
    age clock_timestamp col_description currtid2 current_database current_query current_schema current_schemas
    current_setting current_user currval cursor_to_xml database_to_xml gen_random_uuid get_current_ts_config
    getdatabaseencoding getpgusername inet_client_addr inet_client_port inet_server_addr inet_server_port
    lastval lo_creat lo_create lo_export lo_from_bytea lo_get lo_import lo_put lo_unlink loread lowrite mxid_age
    nextval now obj_description query_to_xml random random_normal row_security_active schema_to_xml session_user
    set_config setseed setval shobj_description statement_timestamp table_to_xml timeofday to_regclass
    transaction_timestamp ts_stat txid_current txid_current_if_assigned txid_current_snapshot txid_status
    uuid_generate_v1 uuid_generate_v1mc uuid_generate_v4 uuidv4 uuidv7 version
    """)
)
OF_THE_SESSION = frozenset({"user", "current_role", "current_catalog", "current_schema", "system_user"})
"""What the grammar calls without brackets, beside the clocks."""
_MOMENT = re.compile(
    r"\s*(?:[\d:.]+\s+)?(?:now|today|tomorrow|yesterday)(?:\s+[\d:.]+)?(?:\s*(?:allballs|am|pm))?"
    r"(?:\s*(?:[+-][\d:]+|z|zulu|utc|gmt|[a-z]{2,4}t|[a-z_]+/[a-z_/]+))?\s*"
)


def is_moment(text: str) -> bool:
    """Tell whether a text is a moment of the clock where it becomes a date or a time: 'now', 'today', 'tomorrow 12:00 UTC'."""
    return _MOMENT.fullmatch(text) is not None


def stability(function: str) -> Literal["stable", "volatile", "unknown"]:
    if function in _VOLATILE or function.startswith("pg_"):
        return "volatile"
    return "stable" if function in _IMMUTABLE or function in _SHAPED_BY_SETTINGS else "unknown"
