"""Packaging: everything that varies is in settings.ini, which nbdev reads too."""
from configparser import ConfigParser
from pathlib import Path

from setuptools import find_packages, setup

here = Path(__file__).resolve().parent
config = ConfigParser(delimiters=["="], interpolation=None)
config.read(here/"settings.ini", encoding="utf-8")
cfg = config["DEFAULT"]
readme = here/"README.md"
url = f"https://github.com/{cfg['user']}/{cfg['repo']}"
statuses = ["", "1 - Planning", "2 - Pre-Alpha", "3 - Alpha", "4 - Beta", "5 - Production/Stable"]

setup(
    name=cfg["lib_name"],
    version=cfg["version"],
    description=cfg["description"],
    long_description=readme.read_text(encoding="utf-8") if readme.exists() else cfg["description"],
    long_description_content_type="text/markdown",
    keywords=cfg["keywords"],
    author=cfg["author"],
    author_email=cfg["author_email"],
    license="Apache-2.0",
    license_files=["LICENSE", "NOTICE", "eagle_nb/data/OFL.txt"],
    url=url,
    project_urls={"Changelog": f"{url}/blob/{cfg['branch']}/CHANGELOG.md"},
    packages=find_packages(include=[cfg["lib_path"], f"{cfg['lib_path']}.*"]),
    package_data={cfg["lib_name"]: ["data/**/*", "py.typed", "**/*.pyi"]},
    python_requires=f">={cfg['min_python']}",
    install_requires=cfg.get("requirements", "").split(),
    extras_require={extra: cfg.get(f"{extra}_requirements", "").split() for extra in ("dev", "docs", "shapley", "app", "ray", "serve")},
    entry_points={"nbdev": [f"{cfg['lib_name']}={cfg['lib_path']}._modidx:d"],
                  "console_scripts": cfg.get("console_scripts", "").split("\n")},
    zip_safe=False,
    classifiers=[
        f"Development Status :: {statuses[int(cfg['status'])]}",
        f"Intended Audience :: {cfg['audience']}",
        f"Natural Language :: {cfg['language']}",
        *(f"Programming Language :: Python :: 3.{minor}" for minor in range(10, 14)),
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
    ],
)
