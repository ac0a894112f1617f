# The image of every Xinban process: `xinban serve` by default, `xinban worker`, `xinban migrate` as arguments.
FROM python:3.12-slim

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PYTHONUTF8=1
WORKDIR /app

# The lock file alone first: its layer is made anew only when a version changes.
COPY requirements.lock ./
RUN pip install --no-cache-dir --no-deps --require-hashes -r requirements.lock

COPY pyproject.toml ./
COPY scripts/dev/link_project.py scripts/dev/
COPY core core
COPY geo geo
COPY booking booking
COPY api api
COPY seed seed
RUN python scripts/dev/link_project.py /app \
    && python -m compileall -q core geo booking api seed \
    && useradd --system --uid 10001 --no-create-home xinban \
    && install -d -m 700 -o xinban /var/lib/xinban  # a volume mounted here gets this owner
USER xinban

EXPOSE 8000
ENTRYPOINT ["xinban"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000"]
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/readyz', timeout=4)"]
