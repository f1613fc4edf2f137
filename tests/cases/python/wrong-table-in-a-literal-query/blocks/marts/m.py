from sqlflow import block


@block
def m(context):
    return context.sql("select * from staging.ordres")
