"""An app whose own modules are named like this project's, `local` among them."""

import activities
import azure.durable_functions as df
import azure.functions as func
import entities
import local
import orchestrators

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)
app.register_functions(activities.blueprint)


@app.route(route="rooms")
def rooms(req: func.HttpRequest) -> str:
    import os

    return ",".join([activities.NAME, entities.NAME, orchestrators.NAME, local.NAME, os.getcwd()])
