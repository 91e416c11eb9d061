namespace Backprop.Engine.Layers;

/// <summary>Reads rows of any shape as rows of numbers.</summary>
public sealed record FlattenDefinition : LayerDefinition
{
    /// <inheritdoc/>
    public override string Kind => "flatten";

    /// <inheritdoc/>
    public override Layer Build(string name, Shape input) =>
        new ViewLayer(name, Kind, input, Shape.Of(input.Count));
}
