"""Write the statements of some requests to a file, for any Django project; knows nothing of this service.

Add ``service.capture.middleware.Capture`` to ``MIDDLEWARE`` and the setting ``HOTROW_CAPTURE``
(docs/howto/capture.md). Without the middleware nothing of it is loaded.
"""
