"""The shop's pages, and those that show what reached Django."""

from django.urls import path, re_path

from shop import views

app_name = "shop"
urlpatterns = [
    path("", views.home, name="home"),
    path("favicon.ico", views.favicon, name="favicon"),
    path("books/new", views.new_book, name="new-book"),
    path("browser", views.browser, name="browser"),
    path("upload", views.upload, name="upload"),
    path("whoami", views.whoami, name="whoami"),
    re_path(r"^inspect(?:/.*)?$", views.inspect, name="inspect"),
    path("stream", views.stream, name="stream"),
    path("blob", views.blob, name="blob"),
    path("cookies", views.cookies, name="cookies"),
    path("moved", views.moved, name="moved"),
    path("status/<int:code>", views.status, name="status"),
    path("boom", views.boom, name="boom"),
]
