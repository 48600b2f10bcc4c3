# The command vocabsem, for the CPU. For NVIDIA GPUs, by the CUDA version of the driver:
#   docker build --build-arg TORCH=cu130 --tag vocabsem .
FROM python:3.11-slim-bookworm AS build
ARG TORCH=cpu
WORKDIR /source
RUN pip install --no-cache-dir uv==0.13.9
COPY pyproject.toml constraints.txt hatch_build.py prefect.yaml README.md LICENSE ./
COPY data data
COPY warehouse warehouse
COPY vocabsem vocabsem
COPY tasks tasks
COPY flows flows
RUN uv venv /app \
    && uv pip install --python /app/bin/python --torch-backend "${TORCH}" --compile-bytecode --no-cache \
        --constraint constraints.txt '.[pipeline]'

FROM python:3.11-slim-bookworm
COPY --from=build /app /app
ENV PATH=/app/bin:$PATH VOCABSEM_HOME=/data
RUN useradd --uid 1000 --create-home vocabsem \
    && install --directory --owner vocabsem --group vocabsem /data /project
USER vocabsem
WORKDIR /project
VOLUME /data
# Both servers of `up` answer at the addresses that it recorded.
HEALTHCHECK --interval=30s --timeout=20s --start-period=3m \
    CMD ["python", "-c", "import json, os, urllib.request as web; [web.urlopen(url + '/health', timeout=5) for url in json.load(open(os.environ['VOCABSEM_HOME'] + '/servers.json')).values()]"]
ENTRYPOINT ["vocabsem"]
CMD ["up"]
