"""The site: the admin and the shop. What is under /api/ the gRPC services answer, see demo/proto."""

import warnings

from django.contrib import admin
from django.contrib.staticfiles.views import serve
from django.urls import include, path

# Static files are read by blocking iterators, which Django warns of once in each process. They are small.
warnings.filterwarnings("ignore", message="StreamingHttpResponse must consume synchronous iterators", category=Warning)

urlpatterns = [
    path("admin/", admin.site.urls),
    # Out of the installed apps, with DEBUG off too ("insecure" says that one means it) and nothing to collect beforehand.
    # A busy site puts a CDN or a file server in front; WhiteNoise's middleware would move every request to a thread.
    path("static/<path:path>", serve, {"insecure": True}),
    path("", include("shop.urls")),
]
