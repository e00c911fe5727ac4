import azure.durable_functions as df

NAME = "own activities"
blueprint = df.Blueprint()


@blueprint.orchestration_trigger(context_name="context")
def furnish(context):
    result = yield context.call_activity("chair")
    return result


@blueprint.activity_trigger(input_name="nothing")
def chair(nothing):
    return "a chair"
