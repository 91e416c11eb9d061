using Backprop.Engine.Kernels;

namespace Backprop.Engine.Layers;

/// <summary>
/// y = x·Wᵀ with the table W of an embedding, [vocabulary, width]: every output is the product of
/// the input and a token's vector. With δ = dE/dy, what it adds to dE/dW[v] is Σ over rows δ[v]·x,
/// and dE/dx = δ·W. On sequences every position is such a row.
/// </summary>
public sealed unsafe class TiedDenseLayer : Layer
{
    private const int Weight = 0;

    private readonly Shape _table;

    internal TiedDenseLayer(string name, Shape input, Shape table)
        : base(name, "dense", input, Sequences.WithWidth(input, table.Dimensions[0])) =>
        _table = table;

    /// <inheritdoc/>
    public override Shape? SharedShape => _table;

    private int Positions => Sequences.Positions(InputShape);

    private int Inputs => Sequences.Width(InputShape);

    private int Outputs => Sequences.Width(OutputShape);

    /// <inheritdoc/>
    public override void Forward(in ForwardPass pass) => MatrixProduct.MultiplyByTransposed(
        pass.Pool, pass.Input, pass.Parameter(Weight), pass.Rows * Positions, Inputs, Outputs,
        pass.Output);

    /// <inheritdoc/>
    public override void Backward(in BackwardPass pass)
    {
        if (pass.InputGradient is not null)
        {
            MatrixProduct.Multiply(
                pass.Forward.Pool, pass.OutputGradient, pass.Forward.Parameter(Weight), null,
                pass.Forward.Rows * Positions, Outputs, Inputs, pass.InputGradient);
        }
    }

    /// <inheritdoc/>
    public override void SharedGradient(
        in BackwardPass pass, in NodeGradient node, float* gradient) =>
        MatrixProduct.WeightGradient(
            pass.Forward.Pool, pass.OutputGradient, pass.Forward.Input,
            pass.StartsOf(node, Positions), Outputs, Inputs, gradient);

    /// <inheritdoc/>
    public override void ReferenceForward(in ReferencePass pass)
    {
        int inputs = Inputs, outputs = Outputs;
        ReadOnlySpan<double> table = pass.Parameter(Weight);
        for (int row = 0; row < pass.Rows * Positions; row++)
        {
            ReadOnlySpan<double> x = pass.Input.Slice(row * inputs, inputs);
            for (int j = 0; j < outputs; j++)
            {
                double sum = 0;
                for (int i = 0; i < inputs; i++)
                {
                    sum += x[i] * table[(j * inputs) + i];
                }

                pass.Output[(row * outputs) + j] = sum;
            }
        }
    }
}
