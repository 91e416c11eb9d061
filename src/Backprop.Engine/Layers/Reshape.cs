namespace Backprop.Engine.Layers;

/// <summary>Reads rows as rows of another shape.</summary>
/// <param name="Shape">The new shape, of as many elements as the old one.</param>
public sealed record ReshapeDefinition(Shape Shape) : LayerDefinition
{
    /// <inheritdoc/>
    public override string Kind => "reshape";

    /// <inheritdoc/>
    public override Layer Build(string name, Shape input) => input.Count == Shape.Count
        ? new ViewLayer(name, Kind, input, Shape)
        : throw new ArgumentException(
            $"reshape '{name}' would make {Shape}, which are {Shape.Count:N0} numbers, of {input}, "
            + $"which are {input.Count:N0}: the two must be as many");
}
