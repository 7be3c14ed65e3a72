"""Package metadata. Versions that are tested together are in constraints.txt."""

import re
from pathlib import Path

from setuptools import find_packages, setup

here = Path(__file__).parent

setup(
    name="cnnlib",
    version=re.search(r'__version__ = "(.+)"', (here / "cnnlib/__init__.py").read_text()).group(1),
    description="Multi-task prediction from images: compare losses, models and task weights from one YAML file",
    long_description=(here / "README.md").read_text(),
    long_description_content_type="text/markdown",
    license="MIT",
    license_files=["LICENSE"],
    python_requires=">=3.11",
    packages=find_packages(include=["cnnlib", "cnnlib.*"]),
    package_data={"cnnlib.reporting": ["*.html", "*.css", "*.js"]},
    install_requires=[
        "annotated-types>=0.7,<1",
        "defusedxml>=0.7,<1",
        "jinja2>=3.1,<4",
        "kornia>=0.8,<1",
        "lightning-fabric>=2.5,<3",
        "matplotlib>=3.9",
        "numpy>=2.0,<3",
        "pillow>=11",
        "pydantic>=2.10,<3",
        "pyyaml>=6,<7",
        "regex>=2025.10.22",
        "rich>=13.9",
        "scikit-learn>=1.6,<2",
        "scipy>=1.14,<2",
        "segmentation-models-pytorch>=0.6,<1",
        "tensorboard>=2.18,<3",
        "timm>=1.0.31,<2",
        "torch>=2.9,<3",
        "torchmetrics>=1.6,<2",
        "torchvision>=0.24,<1",
    ],
    extras_require={
        "adapters": ["peft>=0.18,<1"],
        "exr": ["openexr>=3.3,<4"],
        "huggingface": ["datasets>=5,<6"],
        "multitask": ["torchjd[full]>=0.18,<0.19"],
        "shards": ["webdataset>=1,<2"],
        "video": ["av>=15,<19"],
        "dev": [
            "av>=15,<19",
            "datasets>=5,<6",
            "hypothesis>=6.120",
            "jsonschema>=4.23",
            "openexr>=3.3,<4",
            "peft>=0.18,<1",
            "playwright>=1.49",
            "pre-commit>=4",
            "pytest>=8.3",
            "pytest-xdist>=3.6,<4",
            "pytorch-lightning>=2.5,<3",  # to compare with; it brings lightning-fabric: keep both at one version
            "ruff>=0.9",
            "scikit-image>=0.25",
            "torchjd[full]>=0.18,<0.19",
            "webdataset>=1,<2",
        ],
    },
    classifiers=[
        "Intended Audience :: Science/Research",
        "Programming Language :: Python :: 3.11",
        "Topic :: Scientific/Engineering :: Image Recognition",
    ],
)
