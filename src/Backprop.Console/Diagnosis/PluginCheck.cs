using Backprop.Distributed.Configuration;
using Backprop.Engine.Plugins;
using Backprop.Training.Specification;

namespace Backprop.Console.Diagnosis;

/// <summary>Looks whether the plug-ins that the node allows can be loaded.</summary>
internal static class PluginCheck
{
    private const string Check = "plug-ins";

    public static Finding Examine(NodeConfiguration node)
    {
        try
        {
            LayerPlugins plugins = node.Plugins.Load();
            return Finding.Ok(
                Check, plugins.Loaded.IsEmpty
                    ? "none are allowed"
                    : $"layers {string.Join(", ", plugins.Kinds)}");
        }
        catch (Exception failure) when (failure is LayerPluginException or IOException
            or UnauthorizedAccessException)
        {
            return Finding.Problem(
                Check, failure.Message, "docs/plugins.md says how they are built and allowed");
        }
    }
}
