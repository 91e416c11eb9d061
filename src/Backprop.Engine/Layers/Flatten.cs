namespace Backprop.Engine.Layers;

/// <summary>Reads rows of any shape as rows of numbers.</summary>
public sealed record FlattenDefinition : LayerDefinition
{
    /// <inheritdoc/>
    public override string Kind => "flatten";

    /// <inheritdoc/>
    public override Layer Build(string name, Shape input) => new FlattenLayer(name, input);
}

/// <summary>The same numbers in the same order, in one dimension: a view, nothing is computed, and
/// gradients are the same memory too.</summary>
public sealed class FlattenLayer : Layer
{
    internal FlattenLayer(string name, Shape input)
        : base(name, "flatten", input, Shape.Of(input.Count))
    {
    }

    /// <inheritdoc/>
    public override bool IsView => true;

    /// <inheritdoc/>
    public override void Forward(in ForwardPass pass) => throw new InvalidOperationException(
        $"'{Name}' is a view: its output is its input's memory");

    /// <inheritdoc/>
    public override void Backward(in BackwardPass pass) => throw new InvalidOperationException(
        $"'{Name}' is a view: its gradient is its input's memory");

    /// <inheritdoc/>
    public override void ReferenceForward(in ReferencePass pass) =>
        pass.Input[..(pass.Rows * InputShape.Count)].CopyTo(pass.Output);
}
