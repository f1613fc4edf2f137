from sqlflow import block


@block
def m(context):
    name = "TOKEN"
    return context.env("API_KEY") + context.env(name)
