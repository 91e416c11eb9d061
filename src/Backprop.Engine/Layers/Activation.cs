using Backprop.Engine.Initializers;
using Backprop.Engine.Kernels;
using Backprop.Engine.Threading;

namespace Backprop.Engine.Layers;

/// <summary>A function applied to the outputs of neurons. It stands as a layer of its own, or as
/// the activation of a dense layer.</summary>
public abstract record ActivationDefinition : LayerDefinition
{
    /// <summary>What the weights before this activation start from, unless the user says.</summary>
    public virtual Initializer DefaultWeightInitializer => VarianceScaling.XavierUniform;
}

/// <summary>An activation that treats every element alone. <c>Invoke(x)</c> is its value;
/// <c>Invoke(v, dy)</c> is dE/dx, where dy = dE/dy and v is x or y, as
/// <see cref="GradientReadsOutput"/> says.</summary>
internal interface IElementActivation : IUnaryFunction, IBinaryFunction
{
    /// <summary>True: the derivative is computed of the output y; false: of the input x.</summary>
    static abstract bool GradientReadsOutput { get; }

    /// <summary>The function in double precision: its plain definition.</summary>
    double Reference(double x);
}

/// <summary>
/// y = f(x), element by element; backward, dE/dx = dE/dy · f′(x). Under error splitting the
/// gradient is passed on as it came, without f′.
/// </summary>
internal sealed unsafe class ElementActivationLayer<TActivation> : Layer
    where TActivation : struct, IElementActivation
{
    private readonly TActivation _activation;

    public ElementActivationLayer(string name, string kind, Shape shape, TActivation activation)
        : base(name, kind, shape, shape) =>
        _activation = activation;

    public override void Forward(in ForwardPass pass) => RowParallel.Map(
        pass.Pool, _activation, pass.Input, pass.Rows, OutputShape.Count, pass.Output);

    public override void Backward(in BackwardPass pass)
    {
        if (pass.InputGradient is null)
        {
            return;
        }

        ForwardPass forward = pass.Forward;
        if (pass.ErrorSplitting)
        {
            PassGradientOn(pass);
            return;
        }

        RowParallel.Map(
            forward.Pool, _activation,
            TActivation.GradientReadsOutput ? forward.Output : forward.Input,
            pass.OutputGradient, forward.Rows, InputShape.Count, pass.InputGradient);
    }

    public override void ReferenceForward(in ReferencePass pass)
    {
        for (int i = 0; i < pass.Rows * OutputShape.Count; i++)
        {
            pass.Output[i] = _activation.Reference(pass.Input[i]);
        }
    }
}
