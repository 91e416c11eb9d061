namespace Backprop.Engine.Layers;

/// <summary>The same numbers in the same order, in another shape: nothing is computed, and
/// gradients are the same memory too.</summary>
public sealed class ViewLayer : Layer
{
    internal ViewLayer(string name, string kind, Shape input, Shape output)
        : base(name, kind, input, output)
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
