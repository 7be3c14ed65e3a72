"""What dividing a net into stages needs: which modules hold parameters and buffers of their own."""

from __future__ import annotations

from torch import nn


def owns(module: nn.Module) -> bool:
    """Does ``module`` hold parameters or buffers beside those of its children?"""
    own = (*module.parameters(recurse=False), *module.buffers(recurse=False))
    return len(own) > 0


def own_parameters(module: nn.Module) -> nn.Module:
    """A module with the parameters and buffers that belong to none of ``module``'s children, such as a class token."""
    own = nn.Module()
    for name, parameter in module.named_parameters(recurse=False):
        own.register_parameter(name, parameter)
    for name, buffer in module.named_buffers(recurse=False):
        own.register_buffer(name, buffer)
    return own
