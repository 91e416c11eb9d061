using Backprop.Engine.Plugins;
using Backprop.Training.Checkpoints;
using Backprop.Training.Specification;

namespace Backprop.Models.Plugins;

/// <summary>Holds the plug-ins that are loaded to those that a model was trained with.</summary>
internal static class ModelPlugins
{
    /// <summary>Refuses a model whose plug-ins are not here, or other ones.</summary>
    /// <exception cref="CheckpointException">The message names kind and digests.</exception>
    public static void Require(ModelHeader header, LayerPlugins? plugins)
    {
        foreach (PluginIdentity needed in header.Plugins)
        {
            LayerPlugin? here = plugins?.Loaded.FirstOrDefault(
                plugin => plugin.Layers.Any(layer => layer.Kind == needed.Kind));
            if (here is null)
            {
                throw new CheckpointException(
                    $"its layers of the kind '{needed.Kind}' are of a plug-in with the SHA-256 "
                    + $"{needed.Sha256}, which is not loaded here");
            }

            if (here.Sha256 != needed.Sha256)
            {
                throw new CheckpointException(
                    $"its layers of the kind '{needed.Kind}' are of a plug-in with the SHA-256 "
                    + $"{needed.Sha256}, and {here.File}, which is loaded here, has {here.Sha256}");
            }
        }
    }
}
