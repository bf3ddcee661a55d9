"""The site: the admin and the shop. What is under /api/ the gRPC services answer, see demo/proto."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("", include("shop.urls")),
]
