"""The ASGI application that Narthex serves."""

import os
import warnings

from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

# Static files are read by blocking iterators, which Django warns of once in each process. They are small.
warnings.filterwarnings("ignore", message="StreamingHttpResponse must consume synchronous iterators", category=Warning)

# The application itself serves /static/ out of the installed apps, with DEBUG off too and nothing to collect beforehand.
# A busy site puts a CDN or a static file server in front; WhiteNoise's middleware would move each request to a thread.
application = ASGIStaticFilesHandler(get_asgi_application())
