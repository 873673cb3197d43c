# One image for every role; the command says which one a container plays.
FROM python:3.13-slim

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 KIMP_ENVIRONMENT=production KIMP_HOME=/var/lib/kimp
RUN useradd --system --create-home --home-dir /var/lib/kimp kimp && install --directory --owner=kimp /var/lib/kimp/seen
WORKDIR /srv/kimp

COPY requirements-production.txt .
RUN python -m pip install --no-cache-dir --require-hashes -r requirements-production.txt

COPY manage.py pyproject.toml ./
COPY kimp kimp
COPY cycles cycles
COPY exchanges exchanges
COPY templates templates
# Settings are strict in production; these values exist for this one line only.
RUN SECRET_KEY="$(python -c 'import secrets; print(secrets.token_urlsafe(50))')" \
    ALLOWED_HOSTS=build DATABASE_URL=postgresql://build@build/build \
    python manage.py collectstatic --no-input --verbosity 0

USER kimp
EXPOSE 8000
CMD ["python", "-m", "gunicorn", "kimp.wsgi:application", "--bind=0.0.0.0:8000", \
     "--workers=2", "--threads=8", "--graceful-timeout=8", "--no-control-socket", \
     "--logger-class=kimp.gunicorn_logger.Logger"]
